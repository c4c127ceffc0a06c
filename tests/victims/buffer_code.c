/* Code with calls that need no stop is unmapped, mapped anew, made writable and changed, copied, and thrown
 * away. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

/* mov $number, %eax; syscall; ret, and xor %eax, %eax; mov $number, %al; syscall; cmp $-4095, %rax; ret */
static const uint8_t by_mov[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const uint8_t by_xor[] = {0x31, 0xc0, 0xb0, 39, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};

typedef long function(void);

static void make(uint8_t *page, uint8_t number) {
    memcpy(page, by_mov, sizeof by_mov);
    memcpy(page + 64, by_xor, sizeof by_xor);
    page[1] = page[67] = number;
}

static void use(uint8_t *page, long expected) {
    function *first = (function *)(void *)page, *second = (function *)(void *)(page + 64);
    for (int i = 0; i < 40; i++)
        CHECK(first() == expected && second() == expected);
}

int main(void) {
    for (int i = 0; i < 20; i++) {
        uint8_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED);
        make(page, SYS_getpid);
        CHECK(mprotect(page, 8192, PROT_READ | PROT_EXEC) == 0);
        use(page, getpid());
        CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
        CHECK(memcmp(page, by_mov, sizeof by_mov) == 0 && memcmp(page + 64, by_xor, sizeof by_xor) == 0);
        use(page, getpid());
        make(page, SYS_getppid);
        use(page, getppid());
        CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
        use(page, getppid());
        uint8_t *other = mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page + 4096);
        CHECK(other == page + 4096);
        use(other, getppid());
        CHECK(munmap(other, 4096) == 0);
        page = mmap(page, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        make(page, SYS_getuid);
        CHECK(mprotect(page, 8192, PROT_READ | PROT_EXEC) == 0);
        use(page, (long)getuid());
        CHECK(munmap(page, 8192) == 0);
    }
    printf("%d\n", getpid());
    return 0;
}
