package config

import (
	"sort"
	"strings"
	"sync"

	"batchctl/pkg/fault"
	"batchctl/pkg/record"
)

// Names is a Scope of names that were set, with their values, or declared for later. It stands upon another scope, which
// is asked for what it does not know itself, so that a step adds to what the job knows.
//
// Its methods may be called from several goroutines: steps that run side by side leave values for later ones.
type Names struct {
	below  Scope
	mu     sync.RWMutex // guards what follows
	values map[string]record.Value
	later  map[string]bool
}

// NewNames returns an empty scope upon below, which may be nil.
func NewNames(below Scope) *Names {
	return &Names{below: below, values: map[string]record.Value{}, later: map[string]bool{}}
}

// Upon moves the scope upon another one and returns it.
func (s *Names) Upon(below Scope) *Names {
	s.below = below
	return s
}

// Set gives a full name, such as "params.date", its value.
func (s *Names) Set(name string, v record.Value) *Names {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[name] = v
	return s
}

// SetText gives a full name a text.
func (s *Names) SetText(name, text string) *Names { return s.Set(name, record.OfText(text)) }

// SetInt gives a full name a whole number.
func (s *Names) SetInt(name string, i int64) *Names { return s.Set(name, record.OfInt(i)) }

// Declare makes full names known whose values come later.
func (s *Names) Declare(names ...string) *Names {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		s.later[name] = true
	}
	return s
}

// Lookup implements Scope.
func (s *Names) Lookup(name string) (record.Value, Availability) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v, ok := s.values[name]; ok {
		return v, Now
	}
	if s.below != nil {
		if v, known := s.below.Lookup(name); known == Now || known == Later && !s.later[name] {
			return v, known
		}
	}
	if s.later[name] {
		return record.Value{}, Later
	}
	return record.Value{}, NoSuchName
}

// Names implements Scope: the names of a namespace in alphabetical order.
func (s *Names) Names(namespace string) []string {
	unique := map[string]bool{}
	if s.below != nil {
		for _, name := range s.below.Names(namespace) {
			unique[name] = true
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name := range s.values {
		addBelow(unique, namespace, name)
	}
	for name := range s.later {
		addBelow(unique, namespace, name)
	}
	names := make([]string, 0, len(unique))
	for name := range unique {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func addBelow(unique map[string]bool, namespace, name string) {
	if rest, ok := strings.CutPrefix(name, namespace+"."); ok {
		unique[rest] = true
	}
}

// Explain implements Explainer by asking the scope below.
func (s *Names) Explain(name string) error {
	if e, ok := s.below.(Explainer); ok {
		return e.Explain(name)
	}
	return nil
}

// World is the Scope of env.* and file:*. What it gives out that is a secret, it notes.
type World struct {
	Env     func(name string) (string, bool)  // os.LookupEnv; nil: every variable has a value only later
	File    func(path string) ([]byte, error) // os.ReadFile; nil likewise
	Secrets *Secrets                          // nil: nothing is noted
}

// Lookup implements Scope. A variable that is not set, or a file that cannot be read, is Later: another machine or
// moment may have it. One newline at the end of a file is not a part of its value.
func (w *World) Lookup(name string) (record.Value, Availability) {
	if variable, ok := strings.CutPrefix(name, "env."); ok && variable != "" {
		return w.lookupEnv(variable)
	}
	if path, ok := strings.CutPrefix(name, "file:"); ok && path != "" {
		return w.lookupFile(path)
	}
	return record.Value{}, NoSuchName
}

func (w *World) lookupEnv(variable string) (record.Value, Availability) {
	if w.Env == nil {
		return record.Value{}, Later
	}
	value, set := w.Env(variable)
	if !set {
		return record.Value{}, Later
	}
	if w.Secrets != nil && SecretVariable(variable) {
		w.Secrets.Add(value)
	}
	return record.OfText(value), Now
}

func (w *World) lookupFile(path string) (record.Value, Availability) {
	if w.File == nil {
		return record.Value{}, Later
	}
	content, err := w.File(path)
	if err != nil {
		return record.Value{}, Later
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if w.Secrets != nil {
		w.Secrets.Add(text)
	}
	return record.OfText(text), Now
}

// Names implements Scope. The environment is not listed: its names are nobody's business.
func (w *World) Names(string) []string { return nil }

// Explain implements Explainer: why a file could not be read.
func (w *World) Explain(name string) error {
	path, ok := strings.CutPrefix(name, "file:")
	if !ok || w.File == nil {
		return nil
	}
	if _, err := w.File(path); err != nil {
		return fault.Wrap(fault.Environment, err, "")
	}
	return nil
}

// Revealing is a Scope whose env values are all secrets: that of connections and listeners, where addresses carry
// passwords.
type Revealing struct {
	Scope
	Secrets *Secrets
}

// Lookup implements Scope and notes what it gives out.
func (r Revealing) Lookup(name string) (record.Value, Availability) {
	v, known := r.Scope.Lookup(name)
	if known == Now && strings.HasPrefix(name, "env.") && r.Secrets != nil {
		r.Secrets.AddAddress(v.Text())
	}
	return v, known
}

// Explain implements Explainer by asking the scope within.
func (r Revealing) Explain(name string) error {
	if e, ok := r.Scope.(Explainer); ok {
		return e.Explain(name)
	}
	return nil
}
