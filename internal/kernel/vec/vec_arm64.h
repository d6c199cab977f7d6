// Instructions that the assembler of Go has no name for, by the numbers of
// their registers. Beside each is what a disassembler says.

#define FADD(d, n, m)   WORD $(0x4E20D400 | m<<16 | n<<5 | d) // fadd vd.4s, vn.4s, vm.4s
#define FSUB(d, n, m)   WORD $(0x4EA0D400 | m<<16 | n<<5 | d) // fsub vd.4s, vn.4s, vm.4s
#define FMUL(d, n, m)   WORD $(0x6E20DC00 | m<<16 | n<<5 | d) // fmul vd.4s, vn.4s, vm.4s
#define FDIV(d, n, m)   WORD $(0x6E20FC00 | m<<16 | n<<5 | d) // fdiv vd.4s, vn.4s, vm.4s
#define FMAX(d, n, m)   WORD $(0x4E20F400 | m<<16 | n<<5 | d) // fmax vd.4s, vn.4s, vm.4s
#define FMIN(d, n, m)   WORD $(0x4EA0F400 | m<<16 | n<<5 | d) // fmin vd.4s, vn.4s, vm.4s
#define FMLA(d, n, m)   WORD $(0x4E20CC00 | m<<16 | n<<5 | d) // fmla vd.4s, vn.4s, vm.4s
#define FADDP(d, n, m)  WORD $(0x6E20D400 | m<<16 | n<<5 | d) // faddp vd.4s, vn.4s, vm.4s
#define FMAXV(d, n)     WORD $(0x6E30F800 | n<<5 | d) // fmaxv sd, vn.4s
#define FSQRT(d, n)     WORD $(0x6EA1F800 | n<<5 | d) // fsqrt vd.4s, vn.4s
#define FABS(d, n)      WORD $(0x4EA0F800 | n<<5 | d) // fabs vd.4s, vn.4s
#define FNEG(d, n)      WORD $(0x6EA0F800 | n<<5 | d) // fneg vd.4s, vn.4s
#define FRINTN(d, n)    WORD $(0x4E218800 | n<<5 | d) // frintn vd.4s, vn.4s
#define FCVTNS(d, n)    WORD $(0x4E21A800 | n<<5 | d) // fcvtns vd.4s, vn.4s
#define FCMGT(d, n, m)  WORD $(0x6EA0E400 | m<<16 | n<<5 | d) // fcmgt vd.4s, vn.4s, vm.4s
#define FCMLTZ(d, n)    WORD $(0x4EA0E800 | n<<5 | d) // fcmlt vd.4s, vn.4s, #0.0
#define BIT(d, n, m)    WORD $(0x6EA01C00 | m<<16 | n<<5 | d) // bit vd.16b, vn.16b, vm.16b
#define MOV(d, n)       WORD $(0x4EA01C00 | n<<16 | n<<5 | d) // mov vd.16b, vn.16b
#define IADD(d, n, m)   WORD $(0x4EA08400 | m<<16 | n<<5 | d) // add vd.4s, vn.4s, vm.4s
#define ISUB(d, n, m)   WORD $(0x6EA08400 | m<<16 | n<<5 | d) // sub vd.4s, vn.4s, vm.4s
#define SHL(d, n, s)    WORD $(0x4F205400 | s<<16 | n<<5 | d) // shl vd.4s, vn.4s, #s
#define SSHR(d, n, s)   WORD $(0x4F400400 - (s<<16) | n<<5 | d) // sshr vd.4s, vn.4s, #s
