! Fortran: arguments by reference, arrays, strings, recursion.
! options: --function formula::*
module formula
    implicit none
contains
    integer function plus(a, b)
        integer, intent(in) :: a, b
        print '(a,i0,a,i0,a,i0)', 'expect ', getpid(), ' call formula::plus a=', a, ' b=', b
        plus = a + b
        print '(a,i0,a,i0)', 'expect ', getpid(), ' return formula::plus ', plus
    end function plus

    real(8) function scaled(x, factor)
        real(8), intent(in) :: x
        real(4), value :: factor
        print '(a,i0,a,f0.4,a,f0.4)', 'expect ', getpid(), ' call formula::scaled x=', x, ' factor=', factor
        scaled = x * factor
        print '(a,i0,a,f0.4)', 'expect ', getpid(), ' return formula::scaled ', scaled
    end function scaled

    integer function total(values)
        integer, intent(in) :: values(3)
        print '(a,i0,a,i0,a,i0,a,i0,a)', 'expect ', getpid(), ' call formula::total values=[', values(1), ',', &
            values(2), ',', values(3), ']'
        total = values(1) + values(2) + values(3)
        print '(a,i0,a,i0)', 'expect ', getpid(), ' return formula::total ', total
    end function total

    recursive integer function factorial(n) result(answer)
        integer, intent(in) :: n
        print '(a,i0,a,i0)', 'expect ', getpid(), ' call formula::factorial n=', n
        answer = 1
        if (n > 1) answer = n * factorial(n - 1)
        print '(a,i0,a,i0)', 'expect ', getpid(), ' return formula::factorial ', answer
    end function factorial

    integer function length(text)
        character(len=*), intent(in) :: text
        print '(a,i0,a)', 'expect ', getpid(), ' call formula::length text="'//text//'"'
        length = len(text)
        print '(a,i0,a,i0)', 'expect ', getpid(), ' return formula::length ', length
    end function length
end module formula

program main
    use formula
    implicit none
    integer :: sum, i
    real(8) :: result
    sum = plus(3, -5)
    result = scaled(2.5d0, 1.5)
    sum = total([4, 5, 6])
    sum = factorial(4)
    do i = 1, 3
        sum = plus(sum, i)
    end do
    sum = length('four')
    sum = length('')
    sum = length('seven letters')
    if (result > 100) stop 1
end program main
