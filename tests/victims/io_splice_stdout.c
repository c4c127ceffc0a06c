/* What the kernel itself moves to descriptor 1 (sendfile, splice, tee, vmsplice) appears in a replay too. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static ssize_t results[8];
static int errors[8], count;

static void note(ssize_t result) {
    errors[count] = result < 0 ? errno : 0;
    results[count++] = result;
}

int main(void) {
    char text[64];
    int ends[2];
    CHECK(pipe(ends) == 0);
    int fd = random_file("io_splice_stdout.dat", 0);
    for (int i = 0; i < 100; i++) {
        unsigned char random;
        fill_random(&random, 1);
        int length = snprintf(text, sizeof text, "line %d of pid %d: %u\n", i, (int)getpid(), random);
        CHECK(write(fd, text, (size_t)length) == length);
    }
    off_t offset = 0;
    note(sendfile(1, fd, &offset, 200));
    note(splice(fd, &offset, ends[1], NULL, 300, 0));
    note(splice(ends[0], NULL, 1, NULL, 300, 0));
    note(copy_file_range(fd, &offset, 1, NULL, 150, 0));
    note(splice(fd, &offset, ends[1], NULL, 120, 0));
    note(tee(ends[0], 1, 60, 0));
    struct iovec part = {text, 20};
    note(vmsplice(1, &part, 1, 0));
    CHECK(lseek(fd, 1000, SEEK_SET) == 1000);
    note(sendfile(1, fd, NULL, 100));
    for (int i = 0; i < count; i++)
        printf("\nstep %d: %zd errno %d", i, results[i], errors[i]);
    printf("\n");
    CHECK(unlink("io_splice_stdout.dat") == 0);
    return 0;
}
