/* The first thread becomes another program while others wait and run. */
/* expect: exit 3 */
#define BY_FIRST
#include "thread_exec.c"
