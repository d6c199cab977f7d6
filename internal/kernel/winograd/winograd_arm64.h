// Instructions that the assembler of Go has no name for, by the numbers of
// their registers. Beside each is what a disassembler says.

#define FADD(d, n, m)      WORD $(0x4E20D400 | m<<16 | n<<5 | d) // fadd vd.4s, vn.4s, vm.4s
#define FSUB(d, n, m)      WORD $(0x4EA0D400 | m<<16 | n<<5 | d) // fsub vd.4s, vn.4s, vm.4s
#define FMAX(d, n, m)      WORD $(0x4E20F400 | m<<16 | n<<5 | d) // fmax vd.4s, vn.4s, vm.4s
#define FMIN(d, n, m)      WORD $(0x4EA0F400 | m<<16 | n<<5 | d) // fmin vd.4s, vn.4s, vm.4s
#define FMULE(d, n, m, i)  WORD $(0x4F809000 | (i&1)<<21 | (i&2)<<10 | m<<16 | n<<5 | d) // fmul vd.4s, vn.4s, vm.s[i]
#define FMLAE(d, n, m, i)  WORD $(0x4F801000 | (i&1)<<21 | (i&2)<<10 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.s[i]
#define FMLSE(d, n, m, i)  WORD $(0x4F805000 | (i&1)<<21 | (i&2)<<10 | m<<16 | n<<5 | d) // fmls vd.4s, vn.4s, vm.s[i]
#define MOV(d, n)          WORD $(0x4EA01C00 | n<<16 | n<<5 | d) // mov vd.16b, vn.16b
#define UMAXV(d, n)        WORD $(0x6EB0A800 | n<<5 | d) // umaxv sd, vn.4s
