/* version: of this reel. CHANGELOG says what each brought. */
#ifndef REEL_BASE_VERSION_H
#define REEL_BASE_VERSION_H

#define REEL_VERSION "0.1.0"

#endif
