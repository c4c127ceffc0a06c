/* pattern: which functions, modules and source files are meant.
 *
 * Functions. A pattern is a shell glob (fnmatch(3): * ? [...]; `*` matches `::` too, and nothing is special
 * about a leading dot) that must match the whole name. It is tried against
 *   - the qualified name as it is shown, with its parameters:   shop::Cart::add(shop::Item const&, int)
 *   - the qualified name without parameters (and what follows):  shop::Cart::add
 *   - that without template arguments at its end, if it has any:   std::max<int>  ->  std::max
 *   - its linkage name, when the caller gives one:                  _ZN4shop4Cart3addERKNS_4ItemEi
 * so `add` alone does not match a member function: write `*::add`. Since [ ] are special, `operator[[]]` is
 * the way to write operator[]; a pattern equal to one of the names always matches. `/REGEX/` is a POSIX
 * extended regular expression instead, which must occur somewhere in one of these names.
 *
 * Paths (modules and source files). A glob without a slash is matched against the last component of the path,
 * one with slashes against the whole path or against what follows any of its slashes: `src/ *.c` (without the
 * blank) matches /home/me/src/a.c. `*` matches slashes too. */
#ifndef REEL_CONFIG_PATTERN_H
#define REEL_CONFIG_PATTERN_H

#include "base/error.h"
#include "config/text_list.h"

#include <stdbool.h>

enum pattern_kind { PATTERN_FUNCTION, PATTERN_PATH };

/* Compiled patterns. */
struct pattern_list;

/* ERROR_USAGE names the pattern that is no good. The texts are copied. */
struct error *pattern_list_create(const struct text_list *texts, enum pattern_kind kind,
                                  struct pattern_list **ret);
void pattern_list_destroy(struct pattern_list *patterns); /* NULL is fine */

bool pattern_list_is_empty(const struct pattern_list *patterns);

/* Does any pattern match? An empty list matches nothing. linkage_name may be NULL, and is ignored for paths.
 */
bool pattern_list_matches(const struct pattern_list *patterns, const char *name, const char *linkage_name);

/* What include and exclude lists mean together: excluded wins; an empty include list includes all. */
bool pattern_selects(const struct pattern_list *include, const struct pattern_list *exclude, const char *name,
                     const char *linkage_name);

/* One pattern text, checked and thrown away. */
struct error *pattern_check(const char *text, enum pattern_kind kind);

/* Length of a function's name without parameters and what follows them: "f(int) const" -> 1;
 * "operator()(int)" -> 10;
 * "(anonymous namespace)::f(int)" -> 24. */
size_t pattern_base_length(const char *name);

/* Length of the first item of a comma-separated list of patterns; a comma inside ( ) < > [ ] { }, after the
 * word `operator`, or inside a /regex/ does not end it. */
size_t pattern_item_length(const char *text, enum pattern_kind kind);

#endif
