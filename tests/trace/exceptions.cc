/* Exceptions: caught by the caller's caller, thrown again, of own classes, and destructors on the way. */
/* options: --file *exceptions.cc */
#include "say.h"

#include <stdexcept>
#include <string>

struct trouble {
    int code;
};
struct broken : std::runtime_error {
    explicit broken(const std::string &text) : std::runtime_error(text) {
    }
};
struct watcher {
    CALLED ~watcher() {
        EXPECT("unwound thrower");
        EXPECT("call watcher::~watcher");
        EXPECT("return watcher::~watcher");
    }
};

CALLED int thrower(int kind) {
    EXPECT("call thrower kind=%d", kind);
    if (kind == 1) {
        EXPECT("throw std::runtime_error it broke");
        throw std::runtime_error("it broke");
    }
    if (kind == 2) {
        EXPECT("throw trouble");
        throw trouble{5};
    }
    if (kind == 3) {
        EXPECT("throw int");
        throw 42;
    }
    if (kind == 4) {
        EXPECT("throw broken derived");
        throw broken("derived");
    }
    if (kind == 5) {
        EXPECT("throw std::out_of_range far");
        throw std::out_of_range("far");
    }
    EXPECT("return thrower 0");
    return 0;
}
CALLED int middle(int kind) {
    EXPECT("call middle kind=%d", kind);
    int result = thrower(kind) + 1;
    EXPECT("return middle %d", result);
    return result;
}
CALLED int guarded(int kind) {
    EXPECT("call guarded kind=%d", kind);
    watcher w;
    int result = thrower(kind);
    KEEP(result);
    return result;
}
CALLED int catcher(int kind) {
    EXPECT("call catcher kind=%d", kind);
    int result = 0;
    try {
        result = middle(kind);
    } catch (const std::runtime_error &e) {
        EXPECT("unwound thrower");
        EXPECT("unwound middle");
        EXPECT("catch %s %s", kind == 4 ? "broken" : "std::runtime_error", e.what());
        result = 10;
    } catch (const std::logic_error &e) {
        EXPECT("unwound thrower");
        EXPECT("unwound middle");
        EXPECT("catch std::out_of_range %s", e.what());
        result = 20;
    } catch (const trouble &t) {
        EXPECT("unwound thrower");
        EXPECT("unwound middle");
        EXPECT("catch trouble");
        result = t.code;
    } catch (int number) {
        EXPECT("unwound thrower");
        EXPECT("unwound middle");
        EXPECT("catch int");
        result = number;
    }
    EXPECT("return catcher %d", result);
    return result;
}
CALLED int again(int kind) {
    EXPECT("call again kind=%d", kind);
    try {
        return thrower(kind);
    } catch (...) {
        EXPECT("unwound thrower");
        EXPECT("catch std::runtime_error it broke");
        EXPECT("rethrow");
        throw;
    }
}
CALLED int outermost() {
    EXPECT("call outermost");
    int result = 0;
    try {
        result = again(1);
    } catch (const std::exception &e) {
        EXPECT("unwound again");
        EXPECT("catch std::runtime_error %s", e.what());
        result = 7;
    }
    EXPECT("return outermost %d", result);
    return result;
}

int main() {
    EXPECT("call main");
    for (int kind = 0; kind <= 5; kind++)
        catcher(kind);
    outermost();
    try {
        guarded(3);
    } catch (int x) {
        EXPECT("unwound guarded");
        EXPECT("catch int");
        KEEP(x);
    }
    EXPECT("return main 0");
    return 0;
}
