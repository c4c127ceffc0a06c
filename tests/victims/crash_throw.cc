/* An uncaught C++ exception runs the terminate handler and aborts. */
/* expect: signal SIGABRT */
#include "victim.h"
#include <stdexcept>
#include <string>

static int fail(int depth) {
    std::string message = "pid " + std::to_string(getpid());
    if (depth == 0)
        throw std::runtime_error(message);
    return fail(depth - 1) + (int)message.size();
}

int main() {
    return fail(10);
}
