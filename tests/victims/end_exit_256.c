/* Only the low eight bits of the raw exit status count; the raw exit call ends a single thread too. */
/* expect: exit 44 */
#include "victim.h"

int main(void) {
    dprintf(2, "pid %d\n", (int)getpid());
    syscall(SYS_exit, 0x1234502c);
    return 0;
}
