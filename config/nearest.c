#include "config/nearest.h"

#include <string.h>

enum { WORD_MOST = 64 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The textbook table, of which three rows are kept: the one being filled and the two above it. */
size_t edit_distance(const char *a, const char *b) {
    size_t rows[3][WORD_MOST + 1];
    size_t a_size = strnlen(a, WORD_MOST), b_size = strnlen(b, WORD_MOST);
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

/* "depth" for "max_call_depth", "exclude" for "exclude_patterns": a part of the word, which was left
 * unfinished. */
static int is_part(const char *word, const char *candidate) {
    return strlen(word) >= 4 && strstr(candidate, word) != NULL;
}

void nearest_try(struct nearest *nearest, const char *candidate) {
    size_t distance = edit_distance(nearest->word, candidate);
    size_t enough = strnlen(nearest->word, WORD_MOST) / 3 + 1;
    if (distance > enough) {
        if (!is_part(nearest->word, candidate))
            return;
        distance += enough; /* after all real misspellings */
    }
    if (nearest->best && distance >= nearest->distance)
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}
