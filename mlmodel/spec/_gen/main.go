// Command gen compiles the .proto files of package spec into Go, with no
// tool but Go itself:
//
//	go run . -C ..            write ../*.pb.go
//	go run . -C .. -facts F   first write ../*.proto anew from a field table
//
// The .proto files are the source; the table form exists to take over a new
// release of the format, field by field.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bufbuild/protocompile"
	gengo "google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/gofeaturespb"
	"google.golang.org/protobuf/types/pluginpb"
)

const goPackage = "github.com/smelt-ml/smelt/mlmodel/spec"

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	dir := flag.String("C", "..", "folder of the .proto files")
	facts := flag.String("facts", "", "field table to write the .proto files from")
	flag.Parse()
	if *facts != "" {
		table, err := os.ReadFile(*facts)
		if err != nil {
			log.Fatal(err)
		}
		files, err := protosFromFacts(string(table))
		if err != nil {
			log.Fatalf("%s: %v", *facts, err)
		}
		if err := writeAll(*dir, files); err != nil {
			log.Fatal(err)
		}
	}
	files, err := generate(*dir)
	if err != nil {
		log.Fatal(err)
	}
	if err := writeAll(*dir, files); err != nil {
		log.Fatal(err)
	}
}

func writeAll(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// generate compiles every .proto file of dir and returns the Go files.
func generate(dir string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	sort.Strings(names)
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{dir}}}
	compiled, err := c.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	req := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		Parameter:      proto.String("paths=source_relative"),
	}
	// The generator wants the files in the order of their imports.
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		req.ProtoFile = append(req.ProtoFile, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range compiled {
		add(fd)
	}
	gen, err := protogen.Options{DefaultAPILevel: gofeaturespb.GoFeatures_API_OPAQUE}.New(req)
	if err != nil {
		return nil, err
	}
	for _, f := range gen.Files {
		if f.Generate {
			gengo.GenerateFile(gen, f)
		}
	}
	resp := gen.Response()
	if resp.GetError() != "" {
		return nil, fmt.Errorf("%s", strings.TrimSpace(resp.GetError()))
	}
	out := map[string]string{}
	for _, f := range resp.GetFile() {
		out[f.GetName()] = f.GetContent()
	}
	return out, nil
}
