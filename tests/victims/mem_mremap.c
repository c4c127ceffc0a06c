/* mremap in all its forms keeps contents and returns the recorded addresses. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

#define PAGE 4096UL

static void show(const char *what, unsigned char *at, size_t pages) {
    CHECK(at != MAP_FAILED);
    printf("%s %p %016lx\n", what, (void *)at, (unsigned long)hash_bytes(at, pages * PAGE));
}

int main(void) {
    int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *a = mmap(NULL, 8 * PAGE, rw, anon, -1, 0);
    CHECK(a != MAP_FAILED);
    fill_random(a, 8 * PAGE);
    show("start", a, 8);
    a = mremap(a, 8 * PAGE, 4 * PAGE, 0);
    show("shrunk", a, 4);
    a = mremap(a, 4 * PAGE, 6 * PAGE, 0);
    show("grown in place", a, 6);
    a = mremap(a, 6 * PAGE, 600 * PAGE, MREMAP_MAYMOVE);
    show("grown", a, 600);
    unsigned char *wall = mmap(a + 600 * PAGE, PAGE, PROT_NONE, anon, -1, 0);
    void *blocked = mremap(a, 600 * PAGE, 700 * PAGE, 0);
    printf("wall %p blocked %p errno %d\n", (void *)wall, blocked, blocked == MAP_FAILED ? errno : 0);
    unsigned char *target = mmap(NULL, 20 * PAGE, rw, anon, -1, 0);
    memset(target, 7, 20 * PAGE);
    unsigned char *moved = mremap(a, 10 * PAGE, 12 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 4 * PAGE);
    CHECK(moved == target + 4 * PAGE);
    show("fixed", target, 20);
    show("left behind", a + 10 * PAGE, 590);
    unsigned char *kept = mremap(target, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    show("dontunmap", kept, 3);
    show("source", target, 20);
    int fd = random_file("mem_mremap.dat", 8 * PAGE);
    unsigned char *file = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    show("file", file, 2);
    file = mremap(file, 2 * PAGE, 7 * PAGE, MREMAP_MAYMOVE);
    show("file grown", file, 7);
    unsigned char *shared = mmap(NULL, 4 * PAGE, rw, MAP_SHARED, fd, 0);
    unsigned char *alias = mremap(shared, 0, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(alias != MAP_FAILED && alias != shared);
    shared[5] ^= 0xff;
    show("alias", alias, 4);
    CHECK(alias[5] == shared[5]);
    CHECK(unlink("mem_mremap.dat") == 0);
    return 0;
}
