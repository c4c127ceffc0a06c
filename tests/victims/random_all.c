/* Random bytes of getrandom, /dev/urandom, the auxiliary vector and the stack guard. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/auxv.h>

static void show(const char *what, const unsigned char *bytes, size_t length) {
    printf("%s ", what);
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
    printf("\n");
}

int main(void) {
    unsigned char bytes[32];
    static unsigned char many[100000];
    CHECK(getrandom(bytes, sizeof bytes, 0) == sizeof bytes);
    show("getrandom", bytes, sizeof bytes);
    CHECK(getentropy(bytes, sizeof bytes) == 0);
    show("getentropy", bytes, sizeof bytes);
    SHOW(getrandom(bytes, 8, GRND_NONBLOCK));
    SHOW(getrandom(bytes, 8, GRND_RANDOM | GRND_NONBLOCK));
    SHOW(getrandom(bytes, 8, 0x100));
    SHOW(syscall(SYS_getrandom, many, sizeof many, 0));
    printf("many %016lx\n", (unsigned long)hash_bytes(many, sizeof many));
    int fd = open("/dev/urandom", O_RDONLY);
    CHECK(fd >= 0 && read(fd, bytes, sizeof bytes) == sizeof bytes);
    show("urandom", bytes, sizeof bytes);
    CHECK(read(fd, many, sizeof many) > 0);
    printf("urandom %016lx\n", (unsigned long)hash_bytes(many, sizeof many));
    show("AT_RANDOM", (const unsigned char *)getauxval(AT_RANDOM), 16);
    uint64_t guard, mangle;
    __asm__ volatile("mov %%fs:0x28, %0; mov %%fs:0x30, %1" : "=r"(guard), "=r"(mangle));
    printf("guard %lx mangle %lx\n", (unsigned long)guard, (unsigned long)mangle);
    printf("arc4-like rand() %d\n", rand());
    return 0;
}
