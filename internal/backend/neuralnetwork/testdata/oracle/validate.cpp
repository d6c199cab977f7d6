// Holds NeuralNetwork models against the checks of Core ML's own specification library:
//
//     find FOLDER -name '*.mlmodel' | ./validate
//
// Build it in the folder mlmodel of the sources of coremltools 9.0, with protobuf 3.21 of Debian 12:
//
//     protoc -I format --cpp_out=build/format format/*.proto
//     g++ -std=c++17 -w -I. -Isrc -I../deps/FP16/include -I../deps/nlohmann -I../deps -o validate \
//         $(ls src/*.cpp | grep -v HashOutputStreamBuf) src/Validation/*.cpp src/Validation/NeuralNetwork/*.cpp \
//         src/transforms/*.cpp src/MILBlob/*.cpp src/MILBlob/Blob/*.cpp src/MILBlob/Util/*.cpp build/format/*.cc \
//         PATH/TO/validate.cpp -lprotobuf -lpthread
//
// load_networks.py says where the models come from. Run by hand.
#include <fstream>
#include <iostream>
#include <string>

#include "src/Format.hpp"
#include "src/Model.hpp"

int main() {
    std::string path;
    int valid = 0, all = 0;
    while (std::getline(std::cin, path)) {
        all++;
        std::ifstream in(path, std::ios::binary);
        CoreML::Specification::Model model;
        if (!model.ParseFromIstream(&in)) {
            std::cout << "FAIL " << path << ": does not parse\n";
            continue;
        }
        CoreML::Result result = CoreML::Model::validate(model);
        if (result.good()) {
            valid++;
            continue;
        }
        std::cout << "FAIL " << path << ": " << result.message() << "\n";
    }
    std::cout << valid << " of " << all << " models are valid\n";
    return valid == all ? 0 : 1;
}
