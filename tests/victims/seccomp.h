/* Filters for the victims that install some. */
#ifndef SECCOMP_VICTIM_H
#define SECCOMP_VICTIM_H
#include "victim.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

/* getppid(3) takes no error for possible. */
#define PARENT() syscall(SYS_getppid)

#define FILTER_MOST 16

/* Calls of these numbers are answered so, all others are allowed. */
struct rule {
    int number;
    unsigned answer; /* SECCOMP_RET_... */
};

/* 0, or what seccomp(2) answers. */
__attribute__((unused)) static long install(const struct rule *rules, size_t count, unsigned flags) {
    struct sock_filter code[2 * FILTER_MOST + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    size_t at = 1;
    CHECK(count <= FILTER_MOST);
    for (size_t i = 0; i < count; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)rules[i].number, 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rules[i].answer);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = (unsigned short)at, .filter = code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

#define INSTALL(...)                                                                                         \
    do {                                                                                                     \
        const struct rule install_rules[] = {__VA_ARGS__};                                                   \
        CHECK(install(install_rules, sizeof(install_rules) / sizeof(install_rules[0]), 0) == 0);             \
    } while (0)
#endif
