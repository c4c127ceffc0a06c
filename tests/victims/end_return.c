/* A value returned from main is the exit status; output still buffered is flushed. */
/* expect: exit 42 */
#include "victim.h"

int main(void) {
    printf("pid %d stack %p", (int)getpid(), (void *)&errno);
    return 42;
}
