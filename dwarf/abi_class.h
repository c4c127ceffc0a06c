/* abi_class: the classes of the psABI (section 3.2.3) that the eightbytes of a value have. */
#ifndef REEL_DWARF_ABI_CLASS_H
#define REEL_DWARF_ABI_CLASS_H

#include "dwarf/type.h"

enum abi_class {
    CLASS_NONE,
    CLASS_INTEGER,
    CLASS_SSE,
    CLASS_SSEUP,
    CLASS_X87,
    CLASS_X87UP,
    CLASS_COMPLEX_X87,
    CLASS_MEMORY,
};

#define ABI_EIGHTBYTES 2

struct abi_classes {
    enum abi_class eightbytes[ABI_EIGHTBYTES]; /* MEMORY: in the first */
    uint64_t size;                             /* of the value */
    uint64_t alignment;
    bool by_reference;   /* C++: not trivial to copy; the address of a copy is passed */
    const char *unknown; /* why it cannot be told, or NULL */
};

/* Classify a type. ERROR_BAD_DATA when its debug information is damaged. */
struct error *abi_classify(const struct type *type, struct abi_classes *ret);

#endif
