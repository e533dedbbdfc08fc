/*
 * What the linker has to know of libpcsclite.so.1: the names that the program calls. The library of the machine that
 * builds would ask for that machine's glibc; the one that is called is always that of the host where the program runs.
 */
const struct { unsigned long protocol, length; } g_rgSCardT0Pci, g_rgSCardT1Pci, g_rgSCardRawPci;

long SCardBeginTransaction(void) { return 0; }
long SCardCancel(void) { return 0; }
long SCardConnect(void) { return 0; }
long SCardControl(void) { return 0; }
long SCardDisconnect(void) { return 0; }
long SCardEndTransaction(void) { return 0; }
long SCardEstablishContext(void) { return 0; }
long SCardFreeMemory(void) { return 0; }
long SCardGetAttrib(void) { return 0; }
long SCardGetStatusChange(void) { return 0; }
long SCardIsValidContext(void) { return 0; }
long SCardListReaderGroups(void) { return 0; }
long SCardListReaders(void) { return 0; }
long SCardReconnect(void) { return 0; }
long SCardReleaseContext(void) { return 0; }
long SCardSetAttrib(void) { return 0; }
long SCardStatus(void) { return 0; }
long SCardTransmit(void) { return 0; }
