/*
 * magic: an instruction without effect at which Bochs stops the machine, if told so
 * (magic_break). QEMU and real processors do not care.
 */
int main(void)
{
	__asm__ volatile("xchg %bx, %bx");
	return 0;
}
