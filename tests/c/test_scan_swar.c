/* test_scan.c once more, over a scanner that takes nothing but plain C. */
#define HG_SCAN_SWAR 1
#include "../../native_ext/core/scan.c"

#include "test_scan.c"
