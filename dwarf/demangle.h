/* demangle: names of types as std::type_info has them. */
#ifndef REEL_DWARF_DEMANGLE_H
#define REEL_DWARF_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* "St13runtime_error" gives "std::runtime_error" (Itanium C++ ABI, section 5.1.5). False, with ret untouched,
 * when it is no such name or does not fit into size bytes. */
bool demangle_type(const char *mangled, char *ret, size_t size);

#endif
