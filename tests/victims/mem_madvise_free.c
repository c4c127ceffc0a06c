/* MADV_FREE pages read before being written: dropped by the kernel or not, the replay agrees. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

int main(void) {
    size_t length = 8 << 20;
    unsigned char *a = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(a != MAP_FAILED);
    fill_random(a, length);
    printf("%p %016lx\n", (void *)a, (unsigned long)hash_bytes(a, length));
    SHOW(madvise(a, length, MADV_FREE));
    printf("%016lx\n", (unsigned long)hash_bytes(a, length));
    SHOW(madvise(a, length, MADV_PAGEOUT));
    SHOW(madvise(a, length, MADV_COLD));
    printf("%016lx\n", (unsigned long)hash_bytes(a, length));
    return 0;
}
