/* words ROUNDS: a program of ordinary functions: makes a text, counts its words in a hash table, sorts them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1 << 14, TEXT = 1 << 20 };

struct word {
    const char *start;
    int length, count;
};

static struct word table[SLOTS];
static char text[TEXT + 1];

/* An exchange of words that repeat: some often, some seldom. */
static void make_text(unsigned seed) {
    size_t at = 0;
    while (at < TEXT - 16) {
        seed = seed * 1103515245 + 12345;
        unsigned which = (seed >> 16) % 997 * ((seed >> 8) % 11);
        at += (size_t)sprintf(text + at, "w%x ", which);
    }
    text[at] = 0;
}

static uint32_t hash_of(const char *start, int length) {
    uint32_t hash = 2166136261u;
    for (int i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)start[i]) * 16777619u;
    return hash;
}

static struct word *find(const char *start, int length) {
    uint32_t at = hash_of(start, length) % SLOTS;
    while (table[at].start && (table[at].length != length || memcmp(table[at].start, start, (size_t)length)))
        at = (at + 1) % SLOTS;
    return &table[at];
}

static void count_word(const char *start, int length) {
    struct word *word = find(start, length);
    word->start = start;
    word->length = length;
    word->count++;
}

static void count_words(void) {
    for (const char *at = text; *at;) {
        const char *end = strchr(at, ' ');
        if (!end)
            end = at + strlen(at);
        count_word(at, (int)(end - at));
        at = *end ? end + 1 : end;
    }
}

static int compare(const void *a, const void *b) {
    const struct word *one = a, *other = b;
    return other->count - one->count;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 10;
    long total = 0;
    for (int i = 0; i < rounds; i++) {
        memset(table, 0, sizeof(table));
        make_text((unsigned)i);
        count_words();
        qsort(table, SLOTS, sizeof(table[0]), compare);
        total += table[0].count;
    }
    printf("%ld\n", total);
    return 0;
}
