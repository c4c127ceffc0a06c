/* Threads allocate, free what others allocated, grow and shrink arenas, and print as they go. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

enum { SLOTS = 64 };
static void *slots[SLOTS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *argument) {
    unsigned seed = *(unsigned *)argument;
    uint64_t sum = 0;
    for (int i = 0; i < 2000; i++) {
        size_t size = (size_t)rand_r(&seed) % (i % 100 ? 3000 : 400000);
        char *made = malloc(size + 1);
        memset(made, i, size);
        int slot = rand_r(&seed) % SLOTS;
        pthread_mutex_lock(&mutex);
        void *old = slots[slot];
        slots[slot] = made;
        pthread_mutex_unlock(&mutex);
        sum = sum * 5 + (uintptr_t)made;
        free(old);
        if (i % 500 == 0) {
            char text[64];
            int length = snprintf(text, sizeof text, "%d: %llx\n", gettid(), (unsigned long long)sum);
            CHECK(write(1, text, (size_t)length) == length);
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    unsigned seeds[4];
    fill_random(seeds, sizeof seeds);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
    return 0;
}
