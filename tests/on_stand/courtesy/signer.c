/* A PKCS#11 application as a signing service is one: it logs in once and then
 * signs, again and again, until a file appears. After every signature it prints
 * how many microseconds C_SignInit and C_Sign took together.
 *
 *     signer MODULE PIN STOP-FILE PAUSE-IN-MILLISECONDS
 *
 * Of PKCS#11 (v2.40) only what is used here is declared: there is no header to
 * rely on. pkcs11-tool cannot be used for this, it logs in anew for each signature. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ulong;
struct attribute { ulong type; void *value; ulong length; };
struct mechanism { ulong mechanism; void *parameter; ulong length; };

static void *module;

static void check(const char *what, ulong rv)
{
	if (rv != 0) {
		printf("%s failed: 0x%lx\n", what, rv);
		exit(1);
	}
}

#define CALL(name, types, ...) \
	check(name, ((ulong (*) types) dlsym(module, name))(__VA_ARGS__))

static long microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	ulong slots[16], count = 16, session, key, found, class = 3 /* CKO_PRIVATE_KEY */, length;
	struct attribute wanted = { 0 /* CKA_CLASS */, &class, sizeof class };
	struct mechanism ecdsa = { 0x1041 /* CKM_ECDSA */, NULL, 0 };
	unsigned char digest[32] = { 1, 2, 3 }, signature[256];

	if (argc != 5 || !(module = dlopen(argv[1], RTLD_NOW)))
		return 2;
	CALL("C_Initialize", (void *), NULL);
	CALL("C_GetSlotList", (unsigned char, ulong *, ulong *), 1, slots, &count);
	CALL("C_OpenSession", (ulong, ulong, void *, void *, ulong *), slots[0], 4, NULL, NULL, &session);
	CALL("C_Login", (ulong, ulong, char *, ulong), session, 1, argv[2], strlen(argv[2]));
	CALL("C_FindObjectsInit", (ulong, struct attribute *, ulong), session, &wanted, 1);
	CALL("C_FindObjects", (ulong, ulong *, ulong, ulong *), session, &key, 1, &found);
	check("looking for a key", found != 1);
	CALL("C_FindObjectsFinal", (ulong), session);
	while (access(argv[3], F_OK) != 0) {
		long begun = microseconds();
		digest[0]++;
		length = sizeof signature;
		CALL("C_SignInit", (ulong, struct mechanism *, ulong), session, &ecdsa, key);
		CALL("C_Sign", (ulong, void *, ulong, void *, ulong *), session, digest, 32, signature, &length);
		printf("%ld\n", microseconds() - begun);
		usleep(atoi(argv[4]) * 1000);
	}
	return 0;
}
