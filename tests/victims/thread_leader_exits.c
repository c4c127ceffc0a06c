/* The first thread ends before the others; they map memory, open files and start more threads. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sys/mman.h>

static pthread_t first;

static void *inner(void *argument) {
    printf("inner %s\n", (const char *)argument);
    return NULL;
}

static void *work(void *argument) {
    pthread_t thread;
    char text[100] = "";
    CHECK(pthread_join(first, NULL) == 0);
    usleep(1000);
    int fd = random_file("data", 10000);
    unsigned char *map = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    map[5] = 7;
    CHECK(pwrite(fd, "xyz", 3, 100) == 3 && map[100] == 'x');
    printf("data %llx\n", (unsigned long long)hash_bytes(map, 10000));
    SHOW(readlink("/proc/self/exe", text, sizeof text) > 0);
    CHECK(pthread_create(&thread, NULL, inner, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    void *big = malloc(300000);
    memset(big, 1, 300000);
    CHECK(mprotect(map, 4096, PROT_READ) == 0);
    printf("big %llx\n", (unsigned long long)hash_bytes(big, 300000));
    return NULL;
}

int main(void) {
    pthread_t thread;
    first = pthread_self();
    CHECK(pthread_create(&thread, NULL, work, "one") == 0);
    puts("the first thread ends");
    pthread_exit(NULL);
}
