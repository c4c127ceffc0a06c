/* plain: the bytes of a JSON string that stand for themselves, sixteen at a time. */
#ifndef REEL_TRACE_PLAIN_H
#define REEL_TRACE_PLAIN_H

#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>

/* How many of the bytes up to end are ASCII without quotes, backslashes and control characters (DEL is none).
 */
static inline size_t plain_bytes(const uint8_t *bytes, const uint8_t *end) {
    const __m128i space = _mm_set1_epi8(' '), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const uint8_t *at = bytes;
    for (; end - at >= 16; at += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)at);
        /* signed: what is not ASCII is less than a space, too */
        __m128i special =
            _mm_or_si128(_mm_cmplt_epi8(some, space),
                         _mm_or_si128(_mm_cmpeq_epi8(some, quote), _mm_cmpeq_epi8(some, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return (size_t)(at - bytes) + (size_t)__builtin_ctz(mask);
    }
    while (at < end && *at >= ' ' && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - bytes);
}

#endif
