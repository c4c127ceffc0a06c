#include "dwarf/debuginfod.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#define LIBRARY "libdebuginfod.so.1"

/* <elfutils/debuginfod.h> need not be installed. */
typedef struct debuginfod_client client;
struct library {
    client *(*begin)(void);
    int (*find_debuginfo)(client *, const unsigned char *build_id, int size, char **path);
    void (*end)(client *);
};

static bool load(struct library *ret) {
    void *handle =
        dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* stays for good: libcurl does not like to be unloaded */
    if (!handle)
        return false;
    ret->begin = (client * (*)(void)) dlsym(handle, "debuginfod_begin");
    ret->find_debuginfo =
        (int (*)(client *, const unsigned char *, int, char **))dlsym(handle, "debuginfod_find_debuginfo");
    ret->end = (void (*)(client *))dlsym(handle, "debuginfod_end");
    return ret->begin && ret->find_debuginfo && ret->end;
}

struct error *debuginfod_fetch(struct bytes build_id, char **ret_path) {
    const char *urls = getenv("DEBUGINFOD_URLS");
    if (!urls || !*urls)
        return error_new(ERROR_NOT_FOUND, "debuginfod: DEBUGINFOD_URLS is not set");
    struct library library;
    if (!load(&library))
        return error_new(ERROR_UNSUPPORTED, "debuginfod: %s cannot be loaded", LIBRARY);
    client *connection = library.begin();
    if (!connection)
        return &error_no_memory;
    char *path = NULL;
    int fd = library.find_debuginfo(connection, build_id.data, (int)build_id.size, &path);
    library.end(connection);
    if (fd < 0)
        return error_system(-fd, "debuginfod");
    close(fd);
    *ret_path = path;
    return NULL;
}
