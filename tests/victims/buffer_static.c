/* buffer_calls, as a static program that is not position independent. */
/* expect: exit 0 */
/* flags: -static -no-pie */
#include "buffer_calls.c"
