/* cxx_exception: C++ exceptions in the memory of a program, without debug information.
 *
 * Layouts: the Itanium C++ ABI, "Exception Handling" (level II) and "RTTI"; libstdc++'s unwind-cxx.h and
 * stdexcept. All that is read may be anything. */
#ifndef REEL_TRACER_CXX_EXCEPTION_H
#define REEL_TRACER_CXX_EXCEPTION_H

#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The mangled name of a std::type_info. */
bool cxx_type_name(const struct memory_reader *memory, uint64_t type_info, char *ret, size_t size);

/* The type of the base of a class with a single base; 0: there is none, or it cannot be told. */
uint64_t cxx_base_type(const struct memory_reader *memory, uint64_t type_info);

/* what() of the classes in <stdexcept>, and of those derived from them. */
bool cxx_exception_text(const struct memory_reader *memory, uint64_t type_info, uint64_t object, char *ret,
                        size_t size);

/* The thrown object of an exception's unwind header, and its type; false when it is not libstdc++'s. */
bool cxx_exception_object(const struct memory_reader *memory, uint64_t header, uint64_t *ret_type,
                          uint64_t *ret_object);

/* Bytes from the beginning of struct __cxa_exception to its unwind header. */
#define CXX_EXCEPTION_HEADER 80u

#endif
