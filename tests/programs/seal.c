/* seal FILE: make the checksum of a recording.json right again after an edit: XXH3 64 over the text with
 * zeros in place of the 16 digits of the last "checksum". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "r+b") : NULL;
    static char text[16 << 20], digits[17];
    if (!file)
        return 1;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    char *found = NULL, *start;
    for (char *at = text; (at = strstr(at, "\"checksum\":")); at++)
        found = at;
    if (!found || !(start = strchr(found + strlen("\"checksum\":"), '"')) || start + 17 >= text + size)
        return 1;
    memset(start + 1, '0', 16);
    snprintf(digits, sizeof(digits), "%016" PRIx64, (uint64_t)XXH3_64bits(text, size));
    memcpy(start + 1, digits, 16);
    rewind(file);
    return fwrite(text, 1, size, file) != size || fclose(file);
}
