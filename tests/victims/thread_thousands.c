/* Threads by the thousand, created and joined one after the other; then 300 that live at the same time. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

static pthread_barrier_t barrier;
static pid_t tids[300];

static void *add_one(void *argument) {
    return (char *)argument + 1;
}

static void *meet(void *argument) {
    tids[(intptr_t)argument] = gettid();
    pthread_barrier_wait(&barrier);
    return argument;
}

int main(void) {
    const char *soak = getenv("SOAK");
    long count = soak && *soak ? 10000 : 1000, sum = 0;
    void *result;
    pthread_t thread, threads[300];
    pthread_attr_t small;
    for (long i = 0; i < count; i++) {
        CHECK(pthread_create(&thread, NULL, add_one, (void *)i) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        sum += (intptr_t)result;
    }
    CHECK(sum == count * (count + 1) / 2);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&barrier, NULL, 300);
    for (long i = 0; i < 300; i++)
        CHECK(pthread_create(&threads[i], &small, meet, (void *)i) == 0);
    for (long i = 0; i < 300; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("sum %ld, tids %llx\n", sum, (unsigned long long)hash_bytes(tids, sizeof tids));
    return 0;
}
