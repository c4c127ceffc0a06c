/* prctl, arch_prctl, capget and the thread's own kernel words: what was set is read back. */
/* expect: exit 0 */
#include "victim.h"
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>

int main(void) {
    char name[17] = {0};
    int value = -1, tid_word = 0;
    SHOW(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SHOW(prctl(PR_SET_NAME, "a-much-too-long-name"));
    SHOW(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR2));
    SHOW(prctl(PR_GET_PDEATHSIG, &value));
    printf("pdeathsig %d\n", value);
    SHOW(prctl(PR_SET_PDEATHSIG, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 1));
    SHOW(prctl(PR_GET_KEEPCAPS));
    SHOW(prctl(PR_GET_TIMERSLACK));
    SHOW(prctl(PR_GET_SECCOMP) >= 0);
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0);
    SHOW(prctl(PR_CAPBSET_READ, 5));
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &value));
    SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    SHOW(prctl(12345));
    unsigned long fs = 0, gs = 1, here = 0x123456789abcdef0;
    SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    printf("fs %lx gs %lx\n", fs, gs);
    SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, &here));
    unsigned long through;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(through));
    SHOW(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
    CHECK(through == here && gs == (unsigned long)&here);
    printf("gs %lx holds %lx\n", gs, through);
    SHOW(syscall(SYS_arch_prctl, ARCH_SET_GS, 1UL << 60));
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct caps[2] = {{0, 0, 0}, {0, 0, 0}};
    SHOW(syscall(SYS_capget, &head, caps));
    printf("caps %x %x %x\n", caps[0].effective, caps[0].permitted, caps[1].permitted);
    SHOW(syscall(SYS_set_tid_address, &tid_word) == gettid());
    void *robust = NULL;
    size_t length = 0;
    SHOW(syscall(SYS_get_robust_list, 0, &robust, &length));
    printf("robust list %p %zu\n", robust, length);
    return 0;
}
