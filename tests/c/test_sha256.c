/* core/sha256.c and core/base64url.c against published vectors; the machine's instructions against plain C. */
#include "check.h"
#include "core/base64url.h"
#include "core/secret.h"
#include "core/sha256.h"

static void from_hex(const char *hex, uint8_t *out) {
    for (size_t i = 0; hex[2 * i] != '\0'; i++) {
        unsigned byte;
        CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        out[i] = (uint8_t)byte;
    }
}

static void check_digest(const uint8_t *data, size_t length, const char *hex) {
    const hg_sha256_blocks kinds[2] = {hg_sha256_plain, hg_sha256_best()};
    uint8_t expected[HG_SHA256], found[HG_SHA256];
    from_hex(hex, expected);
    for (int i = 0; i < 2; i++) {
        hg_sha256(kinds[i], data, length, found);
        CHECK(memcmp(found, expected, HG_SHA256) == 0);
    }
}

/* FIPS 180-2 appendix B, and NIST's example of 896 bits. */
static void test_fips_180(void) {
    static const char *const texts[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
         "nopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    uint8_t *million = malloc(1000000);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_digest((const uint8_t *)texts[i][0], strlen(texts[i][0]), texts[i][1]);
    }
    CHECK(million != NULL);
    memset(million, 'a', 1000000);
    check_digest(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* Every length around the edges of blocks, at every alignment. */
static void test_instructions_agree_with_plain_c(void) {
    uint8_t data[16 + 320], plain[HG_SHA256], best[HG_SHA256];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525 + 1013904223;
        data[i] = (uint8_t)(random >> 24);
    }
    for (size_t at = 0; at < 16; at++) {
        for (size_t length = 0; length <= 320; length++) {
            hg_sha256(hg_sha256_plain, data + at, length, plain);
            hg_sha256(hg_sha256_best(), data + at, length, best);
            CHECK(memcmp(plain, best, HG_SHA256) == 0);
        }
    }
    printf("test_sha256: %s\n", hg_sha256_best() == hg_sha256_plain ? "plain C only" : "instructions and plain C");
}

/* RFC 4231 section 4; the fifth case is cut to 128 bits there. */
static void test_rfc_4231(void) {
    static const struct {
        const char *key, *data, *digest;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "546573742057697468205472756e636174696f6e",
         "a3b6167473100ee06e0c796c2955552b"},
    };
    static const char *const long_key[2][2] = {
        {"Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
         "hashed before being used by the HMAC algorithm.",
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    const hg_sha256_blocks kinds[2] = {hg_sha256_plain, hg_sha256_best()};
    struct hg_hmac hmac;
    uint8_t key[131], data[64], expected[HG_SHA256], found[HG_SHA256];
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            from_hex(cases[i].key, key);
            from_hex(cases[i].data, data);
            from_hex(cases[i].digest, expected);
            hg_hmac_init(&hmac, kinds[kind], key, strlen(cases[i].key) / 2);
            for (int again = 0; again < 2; again++) { /* a key serves any number of messages */
                hg_hmac(&hmac, data, strlen(cases[i].data) / 2, found);
                CHECK(memcmp(found, expected, strlen(cases[i].digest) / 2) == 0);
            }
        }
        memset(key, 0xaa, sizeof key);
        for (int i = 0; i < 2; i++) {
            from_hex(long_key[i][1], expected);
            hg_hmac_init(&hmac, kinds[kind], key, sizeof key);
            hg_hmac(&hmac, (const uint8_t *)long_key[i][0], strlen(long_key[i][0]), found);
            CHECK(memcmp(found, expected, HG_SHA256) == 0);
        }
    }
}

static void test_same_and_wipe(void) {
    uint8_t a[33] = "the same bytes, in both of them.", b[33] = "the same bytes, in both of them.";
    CHECK(hg_same(a, b, sizeof a) && hg_same(a, b, 0));
    for (size_t i = 0; i < sizeof a; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1u << bit);
            CHECK(!hg_same(a, b, sizeof a));
            b[i] ^= (uint8_t)(1u << bit);
        }
    }
    hg_wipe(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++) {
        CHECK(a[i] == 0);
    }
}

static bool decodes(const char *text, const char *expected, uint32_t length) {
    uint8_t out[128];
    uint32_t written;
    return hg_base64url_decode((const uint8_t *)text, (uint32_t)strlen(text), out, &written) && written == length &&
           memcmp(out, expected, length) == 0;
}

static void test_base64url(void) {
    static const char *const refused[] = {"A",    "AAAAA", "Zg==", "Zg=", "Zh",   "Zm9", "Z g", "Zm+v", "Zm/v",
                                          "\nZg", "Zg\n",  "Z\x80", "Zm9v====", "A\xff\x41\x41"};
    uint8_t out[64], key[32];
    uint32_t written;
    /* RFC 4648 section 10, without padding; section 3.5 of RFC 4648 for what is refused */
    CHECK(decodes("", "", 0) && decodes("Zg", "f", 1) && decodes("Zm8", "fo", 2) && decodes("Zm9v", "foo", 3));
    CHECK(decodes("Zm9vYg", "foob", 4) && decodes("Zm9vYmE", "fooba", 5) && decodes("Zm9vYmFy", "foobar", 6));
    CHECK(decodes("_-8", "\xff\xef", 2));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(!hg_base64url_decode((const uint8_t *)refused[i], (uint32_t)strlen(refused[i]), out, &written));
    }
    /* RFC 8037 appendix A.1 (the public key of RFC 8032 section 7.1 test 1) and A.4 (the signature) */
    from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key);
    CHECK(decodes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", (const char *)key, sizeof key));
    CHECK(hg_base64url_decode((const uint8_t *)"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7"
                                               "sVvpAr_MuM0KAg", 86, out, &written) && written == 64);
    CHECK(out[0] == 0x86 && out[1] == 0x0c && out[63] == 0x02);
}

int main(void) {
    test_fips_180();
    test_instructions_agree_with_plain_c();
    test_rfc_4231();
    test_same_and_wipe();
    test_base64url();
    return 0;
}
