/* Every writable byte of the process, found by /proc/self/maps, is the same in a replay. */
/* expect: exit 0 */
#include "victim.h"
#include <time.h>

static char maps[1 << 16];

int main(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    char *heap = malloc(100000);
    fill_random(heap, 100000);
    setvbuf(stdout, NULL, _IOLBF, 4096);
    printf("first %p %ld\n", (void *)heap, now.tv_nsec);
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    for (ssize_t got; (got = read(fd, maps + length, sizeof maps - 1 - length)) > 0;)
        length += (size_t)got;
    uint64_t sum = 0;
    int regions = 0;
    for (char *line = maps, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = 0;
        unsigned long from, to;
        char protection[8], name[256] = "";
        CHECK(sscanf(line, "%lx-%lx %7s %*s %*s %*s %255[^\n]", &from, &to, protection, name) >= 3);
        if (strncmp(protection, "rw", 2) != 0 || strncmp(name, "[vvar", 5) == 0)
            continue;
        uint64_t hash = 0xcbf29ce484222325ULL;
        for (const volatile uint64_t *at = (uint64_t *)from; at < (uint64_t *)to; at++)
            hash = (hash ^ *at) * 0x100000001b3ULL;
        printf("%lx-%lx %s %s %016lx\n", from, to, protection, name, (unsigned long)hash);
        sum = sum * 31 + hash;
        regions++;
    }
    printf("%d regions, sum %016lx\n", regions, (unsigned long)sum);
    return 0;
}
