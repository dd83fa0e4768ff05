package readers

import (
	"errors"
	"os"

	"batchctl/pkg/fault"
	"batchctl/pkg/files"
	"batchctl/pkg/format"
)

// openFile opens the file at the index and passes over what stands before its first record.
func (s *fileSource) openFile() error {
	name := s.files[s.index]
	input, err := s.openInput(name)
	if err != nil {
		return err
	}
	s.scan.SetName(name)
	s.input = input
	s.trailer.begin(s.count)
	if err = s.scan.Reset(input, format.Start(), 0); err == nil {
		err = s.start()
	}
	if err == nil {
		s.head.note(s)
	}
	if err != nil {
		err = s.failed(s.encodingFault(err))
		s.input = nil
		_ = input.Close()
		return err
	}
	s.progress()
	return nil
}

func (s *fileSource) openInput(name string) (*files.Input, error) {
	options := files.InputOptions{Compression: s.conf.Compression, Encoding: string(s.conf.Encoding), MaxExpansion: int64(s.conf.MaxExpansion)}
	if s.once != nil {
		input, err := files.StreamInput(s.once, name, options)
		if err != nil {
			return nil, s.failed(err)
		}
		return input, nil
	}
	file, err := openRegular(s.absolute(name), name)
	if err != nil {
		return nil, err
	}
	return files.OpenInput(file, name, options)
}

// openRegular opens a file that can be read again from any place.
func openRegular(path, name string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, notReadable(err, name)
	case info.IsDir():
		return nil, fault.New(fault.Environment, "%s is a folder", name).WithHint("name the files in it: %s/*", name)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Environment, "%s is not a regular file: a restart could not read it again", name)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, notReadable(err, name)
	}
	return file, nil
}

// noSuchFile is the code of errors about files that are not there.
const noSuchFile = "no_such_file"

func notReadable(err error, name string) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	e := fault.Wrap(fault.Environment, err, "read %s", name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		e.Code = noSuchFile
		e.Hint = "relative paths start at the folder of the definition; on_missing: empty takes a missing file for an empty one"
	case errors.Is(err, os.ErrPermission):
		e.Hint = "the user that runs the job needs the right to read the file, and to enter the folders above it"
	default:
		e.Hint = files.Limit(err)
	}
	return e
}
