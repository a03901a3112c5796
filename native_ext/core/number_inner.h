/* What the files of number.[ch] share. Not for other parts. */
#ifndef HEADGATE_NUMBER_INNER_H
#define HEADGATE_NUMBER_INNER_H

#include "number.h"

#define HG_MANTISSA_DIGITS 19 /* every number with so many significant digits fits in 64 bits */
#define HG_UINT64_DIGITS 20   /* of the largest one */

/* 10^0 .. 10^19. */
extern const uint64_t hg_powers_of_ten[HG_UINT64_DIGITS] __attribute__((visibility("hidden")));

/* Decimal digits of a mantissa, 1 for 0. */
uint32_t hg_mantissa_digits(uint64_t mantissa);
/* Writes them, most significant first; -> their number. */
uint32_t hg_mantissa_write(uint64_t mantissa, uint8_t text[HG_UINT64_DIGITS]);

/* The normal form with at most 19 digits always as mantissa (0 with exponent 0, not negative); -> significant
 * digits. */
uint32_t hg_number_reduce(struct hg_number *number);

/* The significant digits of a number in the normal form, without '.': at most `room` into `text`; -> how many were
 * written. */
uint32_t hg_number_digits_write(const struct hg_number *number, uint8_t *text, uint32_t room);

#endif
