/* An unlimited stack makes the kernel lay memory out bottom-up; re-executed so, it replays. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/resource.h>

int main(int argc, char **argv) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    if (argc == 1 && limit.rlim_max == RLIM_INFINITY) {
        limit.rlim_cur = RLIM_INFINITY;
        CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
        return 98;
    }
    printf("pid %d limit %lx main %p stack %p libc %p heap %p\n", (int)getpid(), (long)limit.rlim_cur,
           (void *)(uintptr_t)main, (void *)&limit, (void *)(uintptr_t)printf, malloc(10));
    for (int i = 0; i < 5; i++) {
        unsigned char *at = mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED);
        fill_random(at, 100);
        printf("%p %016lx\n", (void *)at, (unsigned long)hash_bytes(at, 20000));
    }
    return 0;
}
