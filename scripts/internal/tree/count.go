package tree

import (
	"go/ast"
	"go/token"
	"strings"
)

// Exported counts the exported names of a file, and those with a comment.
type Exported struct{ Names, Explained int }

func (e *Exported) add(explained bool) {
	e.Names++
	if explained {
		e.Explained++
	}
}

// CountExported counts functions, methods of exported types, types, constants
// and variables. A comment on a group of declarations is one for each.
func CountExported(f *File) (e Exported) {
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(Receiver(d))) {
				e.add(d.Doc != nil)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				e.addSpec(d, s)
			}
		}
	}
	return e
}

func (e *Exported) addSpec(d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			e.add(d.Doc != nil || s.Doc != nil || s.Comment != nil)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() {
				e.add(d.Doc != nil || s.Doc != nil || s.Comment != nil)
			}
		}
	}
}

// Receiver is the name of a method's type.
func Receiver(d *ast.FuncDecl) string {
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// Selector is "pkg.Name" for such an expression, else "".
func Selector(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if id, ok := s.X.(*ast.Ident); ok {
			return id.Name + "." + s.Sel.Name
		}
	}
	return ""
}

// HasFunc tells whether the file has a function whose name begins so.
func HasFunc(f *File, prefix string) bool { return CountFuncs(f, prefix) > 0 }

// CountFuncs counts the functions whose name begins with prefix.
func CountFuncs(f *File, prefix string) (n int) {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, prefix) {
			n++
		}
	}
	return n
}

// FuncLengths is the number of lines of each function of the file.
func (t *Tree) FuncLengths(f *File) (lengths []int) {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			lengths = append(lengths, t.lines(fn.Pos(), fn.End()))
		}
	}
	return lengths
}

// CommentLines is the number of lines of comment in the file.
func (t *Tree) CommentLines(f *File) (n int) {
	for _, g := range f.AST.Comments {
		n += t.lines(g.Pos(), g.End())
	}
	return n
}

func (t *Tree) lines(from, to token.Pos) int {
	return t.Fset.Position(to).Line - t.Fset.Position(from).Line + 1
}
