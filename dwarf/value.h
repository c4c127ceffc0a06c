/* value: a value of the traced program as JSON text.
 *
 * | type | JSON |
 * | --- | --- |
 * | integers (128 bits too) | number, all digits: a reader that keeps doubles rounds those above 2^53 |
 * | bool | true, false; a byte that is neither: a number |
 * | char, wchar_t, char8/16/32_t | "a"; signed char and unsigned char (int8_t, uint8_t) are numbers |
 * | enums | "NAME"; "A | B", "A | 0x8" when it is a set of flags; a number when no name fits |
 * | floats | number with '.' or exponent, the shortest that reads back the same; "nan", "inf", "-inf" |
 * | complex | {"real": 1.0, "imag": 2.0} |
 * | pointers, functions | "0x7ffc1234"; null. char pointers: the string |
 * | arrays, vectors | [1, 2]; of characters: the string up to its NUL. Fortran: v[i][j] is the source's (i,
 * j) | | structs, classes, unions | {"x": 1}; a base class is a member named as the class, an empty one is
 * left out; members of anonymous structs and unions count as their parent's; static members and vptr are left
 * out | | references (C++, Rust), Box, unique_ptr, shared_ptr, Rc, Arc | what they refer to | | std::string,
 * string_view, String, &str, character(n) | a string | | vector, list, deque, set, span, slices, Vec, tuples
 * ... | [1, 2] | | map, unordered_map, HashMap | {"key": value}; multimap: [[key, value], ...] | | optional,
 * variant, Option, enum variants | value or null; {"Some": 5}, "None" |
 *
 * What cannot be shown is a string in angle brackets: "<unreadable>" (memory is not there),
 * "<optimized out>" (the caller says so), "<incomplete>" (a type that is only declared), "<unknown size>",
 * "<bad type>" (damaged debug information).
 *
 * What is cut ends with "...": a string has these three characters at its end, an array has one more element
 * "...", an object one more member "...": "...", and what is nested too deep is the string "..." as a whole.
 *
 * Strings are UTF-8. Bytes that are not valid UTF-8 become \u0080 to \u00ff, one each, so that the text is
 * valid and no byte is lost (a Latin-1 text reads right). Control characters are escaped, NUL within a string
 * of known length is \u0000.
 *
 * All sizes, pointers and lengths in the program's memory are taken for hostile: reads, loops and the text
 * are bounded, whatever they say. */
#ifndef REEL_DWARF_VALUE_H
#define REEL_DWARF_VALUE_H

#include "base/buffer.h"
#include "base/memory.h"
#include "dwarf/type.h"

struct value_options {
    size_t max_string;     /* bytes of a string before it is cut */
    unsigned max_depth;    /* structs and arrays in each other */
    unsigned max_elements; /* of an array, or container, at each level */
    size_t max_size;       /* bytes of JSON text in all, about; 0: VALUE_SIZE_MAX */
};

#define VALUE_SIZE_MAX (UINT64_C(1) << 18)

/* Whatever the options say, the text of one value is not longer than max_size + VALUE_SLACK + 6 * max_string.
 */
#define VALUE_SLACK (UINT64_C(1) << 14)

/* 200 bytes, 8 levels, 32 elements. */
extern const struct value_options value_default_options;

/* Append one JSON value to ret (buffer_check() tells whether memory ran out). bytes are the value's own, size
 * of them. With fewer than type->size, what lies in them whole is shown as ever, and "<unreadable>" stands
 * for each scalar, member or element that does not; strings end with "...". NULL is "<unreadable>" as a
 * whole. Types without a size of their own (Fortran strings of any length) take all of size. memory is for
 * what the value leads to. */
void value_render(const struct type *type, const void *bytes, size_t size, const struct memory_reader *memory,
                  const struct value_options *options, struct buffer *ret);

/* Does value_render() of this type ask for no other memory than the strings of char pointers, whatever the
 * value is? False when that is not certain. */
bool value_is_plain(const struct type *type);

/* The two texts for values that have no bytes, quoted. */
#define VALUE_OPTIMIZED_OUT "\"<optimized out>\""
#define VALUE_UNREADABLE    "\"<unreadable>\""

/* Append text as a JSON string, escaped as above; at most max bytes of it, then "...". */
void value_put_string(struct buffer *ret, const void *text, size_t size, size_t max);

#endif
