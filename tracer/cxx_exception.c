#include "tracer/cxx_exception.h"

#include <string.h>

/* "GNUCC++\0", and "GNUCC++\1" for a dependent one, which stands for another */
#define CLASS_PRIMARY   0x474e5543432b2b00ull
#define CLASS_DEPENDENT 0x474e5543432b2b01ull
#define HEADER_SIZE     32u /* of struct _Unwind_Exception; the object follows it */

static bool read_word(const struct memory_reader *memory, uint64_t address, uint64_t *ret) {
    return memory_read_exact(memory, address, ret, sizeof(*ret));
}

static bool read_text(const struct memory_reader *memory, uint64_t address, char *ret, size_t size) {
    size_t got = memory_read(memory, address, ret, size - 1);
    ret[got] = 0;
    return got && strlen(ret) < got;
}

/* std::type_info: vtable pointer, name. */
bool cxx_type_name(const struct memory_reader *memory, uint64_t type_info, char *ret, size_t size) {
    uint64_t name;
    return read_word(memory, type_info + 8, &name) && read_text(memory, name, ret, size);
}

/* The base of a class with a single one at offset 0 (__si_class_type_info has it as its third word); 0 when
 * there is none. Told apart by the base's name, which must be a mangled one, since the vtable's symbol may be
 * anywhere. */
uint64_t cxx_base_type(const struct memory_reader *memory, uint64_t type_info) {
    uint64_t base;
    char name[512];
    if (!read_word(memory, type_info + 16, &base) || !base || base % 8 ||
        !cxx_type_name(memory, base, name, sizeof(name)))
        return 0;
    char first = name[0] == '*' ? name[1] : name[0]; /* '*': local to its module */
    return first == 'S' || first == 'N' || (first >= '0' && first <= '9') ? base : 0;
}

/* The message is the word behind the vtable pointer (libstdc++'s __cow_string). */
bool cxx_exception_text(const struct memory_reader *memory, uint64_t type_info, uint64_t object, char *ret,
                        size_t size) {
    enum { DEPTH = 16 };
    char name[512];
    for (int i = 0; i < DEPTH && type_info && cxx_type_name(memory, type_info, name, sizeof(name)); i++) {
        uint64_t text;
        if (strcmp(name, "St13runtime_error") == 0 || strcmp(name, "St11logic_error") == 0)
            return read_word(memory, object + 8, &text) && read_text(memory, text, ret, size);
        type_info = cxx_base_type(memory, type_info);
    }
    return false;
}

bool cxx_exception_object(const struct memory_reader *memory, uint64_t header, uint64_t *ret_type,
                          uint64_t *ret_object) {
    uint64_t class, object = header + HEADER_SIZE, type;
    if (!read_word(memory, header, &class))
        return false;
    if (class == CLASS_DEPENDENT) { /* its first word leads to the object it stands for */
        if (!read_word(memory, header - CXX_EXCEPTION_HEADER, &object))
            return false;
    } else if (class != CLASS_PRIMARY)
        return false;
    if (!read_word(memory, object - HEADER_SIZE - CXX_EXCEPTION_HEADER, &type))
        return false;
    *ret_type = type;
    *ret_object = object;
    return true;
}
