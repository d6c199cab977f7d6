// Instructions that the assembler of Go has no name for, by the numbers of
// their registers. Beside each is what a disassembler says.

#define FMAX(d, n, m)      WORD $(0x4E20F400 | m<<16 | n<<5 | d) // fmax vd.4s, vn.4s, vm.4s
#define FMIN(d, n, m)      WORD $(0x4EA0F400 | m<<16 | n<<5 | d) // fmin vd.4s, vn.4s, vm.4s
#define FMLA(d, n, m)      WORD $(0x4E20CC00 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.4s
#define FMLAE(d, n, m, i)  WORD $(0x4F801000 | (i&1)<<21 | (i&2)<<10 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.s[i]
