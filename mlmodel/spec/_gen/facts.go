package main

import (
	"fmt"
	"strings"
)

// message is a message or an enum of the table, with those declared in it.
type message struct {
	name   string // short name
	enum   bool
	fields [][]string // words of each line
	nested []*message
}

// protosFromFacts turns the field table into the text of each .proto file.
// The table has, for each file, a "####" line, an optional "imports:" line and
// then one block for each message or enum: a heading "Full.Name:" or "enum
// Full.Name:" and indented lines "number name type label [oneof=NAME]" or
// "number NAME".
func protosFromFacts(table string) (map[string]string, error) {
	out := map[string]string{}
	_, table, ok := strings.Cut(table, "#### file ")
	if !ok {
		return nil, fmt.Errorf("no #### line")
	}
	for section := range strings.SplitSeq(table, "#### file ") {
		head, body, _ := strings.Cut(section, "\n")
		w := strings.Fields(head) // Name.proto package P syntax proto3
		if len(w) != 5 || w[1] != "package" || w[3] != "syntax" {
			return nil, fmt.Errorf("cannot read %q", head)
		}
		text, err := protoFile(w[2], w[4], body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w[0], err)
		}
		out[w[0]] = text
	}
	return out, nil
}

func protoFile(pkg, syntax, body string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = %q;\n\npackage %s;\n\n", syntax, pkg)
	var top []*message
	byName := map[string]*message{}
	var cur *message
	imports := 0
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "imports: "):
			for imp := range strings.SplitSeq(strings.TrimPrefix(line, "imports: "), ", ") {
				name, public := strings.CutSuffix(imp, " (public)")
				kind := ""
				if public {
					kind = "public "
				}
				fmt.Fprintf(&b, "import %s%q;\n", kind, name)
				imports++
			}
		case strings.HasPrefix(line, "  "):
			if cur == nil {
				return "", fmt.Errorf("no heading before %q", line)
			}
			if w := strings.Fields(line); w[0] != "(no" {
				cur.fields = append(cur.fields, w)
			}
		default:
			full, ok := strings.CutSuffix(line, ":")
			if !ok {
				return "", fmt.Errorf("cannot read %q", line)
			}
			cur = &message{}
			full, cur.enum = strings.CutPrefix(full, "enum ")
			dot := strings.LastIndexByte(full, '.')
			cur.name = full[dot+1:]
			byName[full] = cur
			if parent := byName[full[:dot]]; parent != nil {
				parent.nested = append(parent.nested, cur)
			} else if full[:dot] == pkg {
				top = append(top, cur)
			} else {
				return "", fmt.Errorf("%s stands before what holds it", full)
			}
		}
	}
	if imports > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "option go_package = %q;\n", goPackage)
	for _, m := range top {
		b.WriteString("\n")
		if err := m.write(&b, ""); err != nil {
			return "", fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return b.String(), nil
}

func (m *message) write(b *strings.Builder, indent string) error {
	if m.enum {
		fmt.Fprintf(b, "%senum %s {\n", indent, m.name)
		for _, w := range m.fields {
			fmt.Fprintf(b, "%s  %s = %s;\n", indent, w[1], w[0])
		}
		fmt.Fprintf(b, "%s}\n", indent)
		return nil
	}
	fmt.Fprintf(b, "%smessage %s {\n", indent, m.name)
	for _, n := range m.nested {
		if err := n.write(b, indent+"  "); err != nil {
			return err
		}
		b.WriteString("\n")
	}
	oneof := ""
	for _, w := range m.fields {
		f, err := parseField(w)
		if err != nil {
			return err
		}
		if f.oneof != oneof {
			if oneof != "" {
				fmt.Fprintf(b, "%s  }\n", indent)
			}
			if f.oneof != "" {
				fmt.Fprintf(b, "%s  oneof %s {\n", indent, f.oneof)
			}
			oneof = f.oneof
		}
		in := indent + "  "
		if oneof != "" {
			in += "  "
		}
		fmt.Fprintf(b, "%s%s%s %s = %s;\n", in, f.label, f.typ, f.name, f.number)
	}
	if oneof != "" {
		fmt.Fprintf(b, "%s  }\n", indent)
	}
	fmt.Fprintf(b, "%s}\n", indent)
	return nil
}

type field struct{ number, name, label, typ, oneof string }

func parseField(w []string) (field, error) {
	line := strings.Join(w, " ")
	if len(w) < 4 {
		return field{}, fmt.Errorf("cannot read field %q", line)
	}
	f := field{number: w[0], name: w[1]}
	rest := w[2:]
	if rest[0] == "enum" {
		rest = rest[1:]
	}
	if strings.HasPrefix(rest[0], "map<") { // "map<K, V>" is two words
		f.typ = rest[0] + " " + rest[1]
		rest = rest[1:]
	} else {
		f.typ = rest[0]
	}
	rest = rest[1:]
	packed := len(rest) > 1 && rest[1] == "packed"
	switch {
	case rest[0] == "single", rest[0] == "map":
	case rest[0] == "repeated":
		f.label = "repeated "
	default:
		return field{}, fmt.Errorf("cannot read field %q", line)
	}
	if packed {
		rest = rest[1:] // what proto3 does by itself
	}
	for _, extra := range rest[1:] {
		name, ok := strings.CutPrefix(extra, "oneof=")
		if !ok {
			return field{}, fmt.Errorf("cannot read field %q", line)
		}
		f.oneof = name
	}
	return f, nil
}
