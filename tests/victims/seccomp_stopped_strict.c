/* Strict mode when the recording has stopped. */
/* expect: signal SIGKILL */
/* recording: stops */
#include "seccomp.h"
#include <sys/uio.h>
#include <time.h>

int main(void) {
    char from = 'x', to = 'y';
    struct iovec local = {&from, 1}, remote = {&to, 1};
    CHECK(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    if (time(NULL) < 1000 || write(1, "strict\n", 7) != 7)
        syscall(SYS_exit, 99);
    return (int)PARENT();
}
