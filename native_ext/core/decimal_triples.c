#include "decimal.h"

#define ZEROS(h, t) ((h) != 0 ? 0 : (t) != 0 ? 1 : 2)
#define LEFT(h, t, u) ((u) != 0 ? 3 : (t) != 0 ? 2 : (h) != 0 ? 1 : 0)
#define ONE(h, t, u) '0' + (h), '0' + (t), '0' + (u), ZEROS(h, t) << 4 | LEFT(h, t, u)
#define TEN(h, t) \
    ONE(h, t, 0), ONE(h, t, 1), ONE(h, t, 2), ONE(h, t, 3), ONE(h, t, 4), ONE(h, t, 5), ONE(h, t, 6), ONE(h, t, 7), ONE(h, t, 8), ONE(h, t, 9)
#define HUNDRED(h) \
    TEN(h, 0), TEN(h, 1), TEN(h, 2), TEN(h, 3), TEN(h, 4), TEN(h, 5), TEN(h, 6), TEN(h, 7), TEN(h, 8), TEN(h, 9)

const uint8_t HG_TRIPLES[4 * 1000] = {HUNDRED(0), HUNDRED(1), HUNDRED(2), HUNDRED(3), HUNDRED(4),
                                      HUNDRED(5), HUNDRED(6), HUNDRED(7), HUNDRED(8), HUNDRED(9)};
