/* flood BLOCKS: reads so many blocks of 4 KiB of random bytes, which fill a recording because they cannot be
 * compressed; says "BLOCK HASH" after each, and at last "all BLOCKS"; exits 7. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long blocks = argc > 1 ? atol(argv[1]) : 1000;
    static unsigned char block[4096];
    int fd = open("/dev/urandom", O_RDONLY);
    if (fd < 0)
        return 99;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (long i = 1; i <= blocks; i++) {
        uint64_t hash = 0xcbf29ce484222325ULL;
        if (read(fd, block, sizeof(block)) != sizeof(block))
            return 98;
        for (size_t at = 0; at < sizeof(block); at++)
            hash = (hash ^ block[at]) * 0x100000001b3ULL;
        printf("%ld %016" PRIx64 "\n", i, hash);
    }
    printf("all %ld\n", blocks);
    return 7;
}
