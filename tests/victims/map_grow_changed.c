/* A shared mapping grows over a part of its file that was not mapped when it was written to. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    int fd = random_file("map_grow_changed.dat", 3 * 4096);
    unsigned char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(shared != MAP_FAILED);
    fill_random(shared + 100, 200);
    CHECK(pwrite(fd, "changed", 7, 2 * 4096) == 7);
    shared = mremap(shared, 4096, 3 * 4096, MREMAP_MAYMOVE);
    CHECK(shared != MAP_FAILED);
    printf("%016lx %016lx\n", (unsigned long)hash_bytes(shared, 4096),
           (unsigned long)hash_bytes(shared + 4096, 8192));
    CHECK(unlink("map_grow_changed.dat") == 0);
    return 0;
}
