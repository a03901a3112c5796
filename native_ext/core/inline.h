/* What the compiler is told about functions and branches of the hot path. */
#ifndef HEADGATE_INLINE_H
#define HEADGATE_INLINE_H

#if defined(__GNUC__)
#if defined(HG_COLD) /* defined by files whose speed nobody waits for: small is better there */
#define HG_INLINE static inline __attribute__((unused))
#else
#define HG_INLINE static inline __attribute__((always_inline))
#endif
#define HG_NOINLINE __attribute__((noinline))
/* What becomes of few requests: it is small, apart from what becomes of the others, and neither its stack nor the way to it is theirs. */
#define HG_RARE __attribute__((cold, noinline))
#define HG_UNUSED __attribute__((unused)) /* by some of the files that include it */
#define HG_LIKELY(x) __builtin_expect(!!(x), 1)
#define HG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define HG_PREFETCH(pointer) __builtin_prefetch(pointer) /* any address: one that is not there does no harm */
/* In a branch: it stays one. A conditional move or sum would make the pointer wait for the byte that decides, a branch guesses it. */
#define HG_STAY_BRANCH(pointer) __asm__("" : "+r"(pointer))
#else
#define HG_INLINE static inline
#define HG_NOINLINE
#define HG_RARE
#define HG_UNUSED
#define HG_LIKELY(x) (x)
#define HG_UNLIKELY(x) (x)
#define HG_STAY_BRANCH(pointer) ((void)(pointer))
#define HG_PREFETCH(pointer) ((void)(pointer))
#endif

#endif
