#include "decimal.h"

const char HG_PAIRS[201] = "00010203040506070809"
                           "10111213141516171819"
                           "20212223242526272829"
                           "30313233343536373839"
                           "40414243444546474849"
                           "50515253545556575859"
                           "60616263646566676869"
                           "70717273747576777879"
                           "80818283848586878889"
                           "90919293949596979899";

uint32_t hg_decimal(int64_t number, uint8_t digits[HG_DECIMAL]) {
    const uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint8_t *first = hg_decimal_before(digits + HG_DECIMAL, magnitude);
    if (number < 0) {
        *--first = '-';
    }
    return (uint32_t)(first - digits);
}
