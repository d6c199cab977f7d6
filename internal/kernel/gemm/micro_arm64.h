// Instructions that the assembler of Go has no name for, by the numbers of
// their registers. Beside each is what a disassembler says.

#define FADD(d, n, m)      WORD $(0x4E20D400 | m<<16 | n<<5 | d) // fadd vd.4s, vn.4s, vm.4s
#define FMUL(d, n, m)      WORD $(0x6E20DC00 | m<<16 | n<<5 | d) // fmul vd.4s, vn.4s, vm.4s
#define FMAX(d, n, m)      WORD $(0x4E20F400 | m<<16 | n<<5 | d) // fmax vd.4s, vn.4s, vm.4s
#define FMIN(d, n, m)      WORD $(0x4EA0F400 | m<<16 | n<<5 | d) // fmin vd.4s, vn.4s, vm.4s
#define FMLA(d, n, m)      WORD $(0x4E20CC00 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.4s
#define FMLAE(d, n, m, i)  WORD $(0x4F801000 | (i&1)<<21 | (i>>1)<<11 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.s[i]
#define FCMLTZ(d, n)       WORD $(0x4EA0E800 | n<<5 | d) // fcmlt vd.4s, vn.4s, #0.0
#define BIT(d, n, m)       WORD $(0x6EA01C00 | m<<16 | n<<5 | d) // bit vd.16b, vn.16b, vm.16b
#define STPQ8(a, b)        WORD $(0xAD000100 | b<<10 | a) // stp qa, qb, [x8]
