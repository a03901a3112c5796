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
#define HG_UNUSED __attribute__((unused)) /* by some of the files that include it */
#define HG_LIKELY(x) __builtin_expect(!!(x), 1)
#define HG_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* In a branch: it stays one. A conditional move or sum would make the pointer wait for the byte that decides, a branch guesses it. */
#define HG_STAY_BRANCH(pointer) __asm__("" : "+r"(pointer))
#else
#define HG_INLINE static inline
#define HG_NOINLINE
#define HG_UNUSED
#define HG_LIKELY(x) (x)
#define HG_UNLIKELY(x) (x)
#define HG_STAY_BRANCH(pointer) ((void)(pointer))
#endif

#endif
